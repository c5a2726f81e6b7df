"""The processes of a house: which there are, how one starts, and the supervisor that keeps them up."""
