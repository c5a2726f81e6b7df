"""The page at `/` and the pages of the API documentation: static files, served from here, nothing from elsewhere."""
