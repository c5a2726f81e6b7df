"""Small files of recorded messages and of Tardis, in the manner of `small_files`."""

from __future__ import annotations

from tests.engine.feeds.small_files import (
    BUY,
    DEL,
    FIRST,
    MS,
    OFF,
    SELL,
    SET,
    SNAP,
    A,
    B,
    S,
    SmallFile,
    T,
    ns,
)

USDM = SmallFile(
    "binance_raw",
    "usdm_btcusdt_20230405.dat.gz",
    '1680652800005184 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1680652800016,"T":1680652800009,'
    '"s":"BTCUSDT","U":11,"u":13,"pu":10,"b":[["22300.00","2.788"]],"a":[["28240.10","0.000"]]}}\n'
    '1680652800070436 {"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":14,"s":"BTCUSDT",'
    '"b":"28155.10","B":"0.060","a":"28155.20","A":"3.793","T":1680652800089,"E":1680652800093}}\n'
    '1680652800091265 {"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1680652800010,'
    '"s":"BTCUSDT","p":"28155.1","P":"28141.4","i":"28165.0","r":"0.00002760","T":1680652800000}}\n'
    '1680652800092000 {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1680652800093,"T":1680652800092,'
    '"s":"BTCUSDT","U":15,"u":16,"pu":14,"b":[],"a":[["28240.10","1.5"]]}}\n'
    '1680652806996641 {"stream":"btcusdt@trade","data":{"e":"trade","E":1680652807006,"T":1680652804962,'
    '"s":"BTCUSDT","t":100,"p":"28155.10","q":"0.001","X":"MARKET","m":true}}\n'
    '1680652874408176 {"stream":"btcusdt@trade","data":{"e":"trade","E":1680652874406,"T":1680652874400,'
    '"s":"BTCUSDT","t":102,"p":"28722.50","q":"0.001","X":"INSURANCE_FUND","m":false}}\n',
    rows=(
        (1680652800009 * MS, 1680652800005184000, 22300.0, 2.788, 13, 1, SET, BUY, 0),
        (1680652800009 * MS, 1680652800005184000, 28240.1, 0.0, 13, 1, DEL, SELL, 0),
        (1680652800089 * MS, 1680652800070436000, 28155.1, 0.06, 14, 1, B, BUY, 0),
        (1680652800089 * MS, 1680652800070436000, 28155.2, 3.793, 14, 1, A, SELL, 0),
        (1680652800092 * MS, 1680652800092000000, 28240.1, 1.5, 16, 1, SET, SELL, 0),
        (1680652804962 * MS, 1680652806996641000, 28155.1, 0.001, 100, 1, T, SELL, 0),
        (1680652874400 * MS, 1680652874408176000, 28722.5, 0.001, 102, 1, T, BUY, OFF),
    ),
    symbols=("BTCUSDT@BINANCE_USDM",),
    findings={"SKIPPED_MESSAGES": 1, "NEGATIVE_LATENCY": 2, "UPDATE_GAPS": 1, "ID_GAPS": 1, "OFF_BOOK": 1},
    lines=6,
)

SPOT = SmallFile(
    "binance_raw",
    "spot_btcusdt_20240808.gz",
    '1723161254087891268 {"stream":"btcusdt@bookTicker","data":{"u":12,"s":"BTCUSDT","b":"61837.63000000",'
    '"B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}\n'
    '1723161254206652067 {"lastUpdateId":18,"bids":[["61837.63000000","3.5"],["61837.62000000","0.5"]],'
    '"asks":[["61837.64000000","2.25"]]}\n'
    '1723161254306652067 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255577,"s":"BTCUSDT",'
    '"U":13,"u":19,"b":[["61737.63000000","0.00000000"]],"a":[]}}\n',
    rows=(
        (1723161254087891268, 1723161254087891268, 61837.63, 3.78826, 12, 1, B, BUY, 0),
        (1723161254087891268, 1723161254087891268, 61837.64, 1.54698, 12, 1, A, SELL, 0),
        (1723161254206652067, 1723161254206652067, 61837.63, 3.5, 18, 1, SET, BUY, FIRST),
        (1723161254206652067, 1723161254206652067, 61837.62, 0.5, 18, 1, SET, BUY, SNAP),
        (1723161254206652067, 1723161254206652067, 61837.64, 2.25, 18, 1, SET, SELL, SNAP),
        (1723161255577 * MS, 1723161254306652067, 61737.63, 0.0, 19, 1, DEL, BUY, 0),
    ),
    symbols=("BTCUSDT@BINANCE",),
    findings={"NO_EVENT_TIME": 2, "NEGATIVE_LATENCY": 1},
    lines=3,
)

BYBIT_BOOK = SmallFile(
    "bybit_book",
    "xrpusdt-ob500.data.zip",
    '{"topic":"orderbook.500.XRPUSDT","type":"snapshot","ts":1733011200691,"data":{"s":"XRPUSDT",'
    '"b":[["1.9531","6203"]],"a":[["1.9535","7"]],"u":20,"seq":1},"cts":1733011200589}\r\n'
    '{"topic":"orderbook.500.XRPUSDT","type":"delta","ts":1733011200693,"data":{"s":"XRPUSDT",'
    '"b":[["1.9531","0"]],"a":[],"u":22,"seq":2},"cts":1733011200691}\r\n',
    member="2024-12-01_XRPUSDT_ob500.data",
    rows=(
        (1733011200589 * MS, 1733011200691 * MS, 1.9531, 6203.0, 20, 1, SET, BUY, FIRST),
        (1733011200589 * MS, 1733011200691 * MS, 1.9535, 7.0, 20, 1, SET, SELL, SNAP),
        (1733011200691 * MS, 1733011200693 * MS, 1.9531, 0.0, 22, 1, DEL, BUY, 0),
    ),
    symbols=("XRPUSDT@BYBIT",),
    findings={"UPDATE_GAPS": 1},
    lines=2,
)

CAPTURE_COINBASE = SmallFile(
    "capture",
    "COINBASE.ws.28.0",
    "wss://ws-feed.pro.coinbase.com <-> 1618677816.8434298\n"
    'wss://ws-feed.pro.coinbase.com <- 1618677817.020616: {"type":"subscribe"}\n'
    '1618677817.061845: {"type":"subscriptions","channels":[]}\n'
    '1618677817.077736: {"type":"snapshot","product_id":"BAND-GBP","asks":[["14.8024","12.77"]],'
    '"bids":[["14.7","1"]]}\n'
    '1618677817.079762: {"type":"last_match","trade_id":1,"side":"sell","size":"0.04","price":"14.7775",'
    '"product_id":"BAND-GBP","sequence":3,"time":"2021-04-17T16:43:30.244075Z"}\n'
    '1618677817.118783: {"type":"l2update","product_id":"SKL-BTC","changes":[["sell","0.00001306","660.5"],'
    '["buy","0.00001300","0.0"]],"time":"2021-04-17T16:43:37.075687Z"}\n'
    '1618677817.1295161: {"type":"match","trade_id":280232,"side":"sell","size":"985","price":"0.00001305",'
    '"product_id":"SKL-BTC","sequence":177100030,"time":"2021-04-17T16:43:37.089723Z"}\n\n',
    rows=(
        (1618677817077736000, 1618677817077736000, 14.7, 1.0, 0, 1, SET, BUY, FIRST),
        (1618677817077736000, 1618677817077736000, 14.8024, 12.77, 0, 1, SET, SELL, SNAP),
        (ns("2021-04-17T16:43:37.075687Z"), 1618677817118783000, 0.000013, 0.0, 0, 2, DEL, BUY, 0),
        (ns("2021-04-17T16:43:37.075687Z"), 1618677817118783000, 0.00001306, 660.5, 0, 2, SET, SELL, 0),
        (ns("2021-04-17T16:43:37.089723Z"), 1618677817129516100, 0.00001305, 985.0, 280232, 2, T, BUY, 0),
    ),
    symbols=("BAND-GBP@COINBASE", "SKL-BTC@COINBASE"),
    findings={"SKIPPED_LINES": 2, "SKIPPED_MESSAGES": 2, "BLANK_LINES": 1, "NO_EVENT_TIME": 1, "EVENT_DISORDER": 1},
    lines=5,
)

CAPTURE_KRAKEN = SmallFile(
    "capture",
    "KRAKEN.ws.50.0",
    "wss://ws.kraken.com <-> 1618678132.3858151\n"
    '1618678133.2949052: {"event":"heartbeat"}\n'
    '1618678133.626511: [1360,{"as":[["0.0000229","13355.5","1618678123.481570"]],'
    '"bs":[["0.0000228","2.5","1618678132.136369"]]},"book-1000","ADA/XBT"]\n'
    '1618678145.9513211: [1920,{"a":[["0.042990","364630.25","1618678145.920470"]]},'
    '{"b":[["0.042990","0.00000000","1618678145.920708"]],"c":"4105471083"},"book-1000","SC/EUR"]\n'
    '1618678146.5: [0,[["5541.2","0.158","1618678146.1","s","l",""],["5541.3","0.2","1618678146.2","b","m",""]],'
    '"trade","XBT/USD"]\n',
    rows=(
        (1618678132136369000, 1618678133626511000, 0.0000228, 2.5, 0, 1, SET, BUY, FIRST),
        (1618678132136369000, 1618678133626511000, 0.0000229, 13355.5, 0, 1, SET, SELL, SNAP),
        (1618678145920708000, 1618678145951321100, 0.04299, 0.0, 0, 2, DEL, BUY, 0),
        (1618678145920708000, 1618678145951321100, 0.04299, 364630.25, 0, 2, SET, SELL, 0),
        (1618678146100000000, 1618678146500000000, 5541.2, 0.158, 0, 3, T, SELL, 0),
        (1618678146200000000, 1618678146500000000, 5541.3, 0.2, 0, 3, T, BUY, 0),
    ),
    symbols=("ADA/XBT@KRAKEN", "SC/EUR@KRAKEN", "XBT/USD@KRAKEN"),
    findings={"SKIPPED_LINES": 1, "SKIPPED_MESSAGES": 1},
    lines=4,
)

CAPTURE_BYBIT = SmallFile(
    "capture",
    "BYBIT.ws.26.0",
    "wss://stream.bybit.com/realtime <-> 1618677785.489609\n"
    '1618677786.801375: {"success":true,"ret_msg":"","request":{"op":"subscribe","args":["trade.EOSUSD"]}}\n'
    '1618677786.986287: {"topic":"orderBookL2_25.EOSUSD","type":"snapshot","data":[{"price":"7.943","symbol":"EOSUSD",'
    '"id":79430,"side":"Buy","size":154219},{"price":"7.944","symbol":"EOSUSD","id":79440,"side":"Sell","size":9}],'
    '"cross_seq":5,"timestamp_e6":1618677786598000}\n'
    '1618677786.9864519: {"topic":"orderBookL2_25.EOSUSD","type":"delta","data":{"delete":[{"price":"7.944",'
    '"symbol":"EOSUSD","id":79440,"side":"Sell"}],"update":[],"insert":[{"price":"7.942","symbol":"EOSUSD","id":1,'
    '"side":"Buy","size":2}],"transactTimeE6":0},"cross_seq":6,"timestamp_e6":1618677786598877}\n'
    '1618677786.987375: {"topic":"trade.BTCUSD","data":[{"trade_time_ms":1618677786614,"symbol":"BTCUSD",'
    '"side":"Sell","size":4,"price":60621.5,"trade_id":"5ffb"}]}\n',
    rows=(
        (1618677786598000000, 1618677786986287000, 7.943, 154219.0, 5, 1, SET, BUY, FIRST),
        (1618677786598000000, 1618677786986287000, 7.944, 9.0, 5, 1, SET, SELL, SNAP),
        (1618677786598877000, 1618677786986451900, 7.942, 2.0, 6, 1, SET, BUY, 0),
        (1618677786598877000, 1618677786986451900, 7.944, 0.0, 6, 1, DEL, SELL, 0),
        (1618677786614 * MS, 1618677786987375000, 60621.5, 4.0, 0, 2, T, SELL, 0),
    ),
    symbols=("EOSUSD@BYBIT", "BTCUSD@BYBIT"),
    findings={"SKIPPED_LINES": 1, "SKIPPED_MESSAGES": 1, "QUANTITY_UNIT": 1},
    lines=4,
)

CAPTURE_BINANCE = SmallFile(
    "capture",
    "BINANCE_DELIVERY.ws.1.0",
    "wss://dstream.binance.com/stream?streams=x <-> 1626916403.1\n"
    '1626916403.8469708: {"stream":"bchusd_perp@bookTicker","data":{"u":8,"e":"bookTicker","s":"BCHUSD_PERP",'
    '"ps":"BCHUSD","b":"427.84","B":"24","a":"0","A":"0","T":1626916403800,"E":1626916403871}}\n'
    '1626916408.60732: {"stream":"bchusd_210924@aggTrade","data":{"e":"aggTrade","E":1626916404006,"a":11285749,'
    '"s":"BCHUSD_210924","p":"427.91","q":"3","f":1,"l":1,"T":1626916403852,"m":true}}\n'
    '1626916409.22149: {"stream":"bchusd_210924@kline_1m","data":{"e":"kline","E":1626916405054}}\n',
    rows=(
        (1626916403800 * MS, 1626916403846970800, 427.84, 24.0, 8, 1, B, BUY, 0),
        (1626916403852 * MS, 1626916408607320000, 427.91, 3.0, 11285749, 2, T, SELL, 0),
    ),
    symbols=("BCHUSD_PERP@BINANCE_COINM", "BCHUSD_210924@BINANCE_COINM"),
    findings={"SKIPPED_LINES": 1, "SKIPPED_MESSAGES": 1, "ONE_SIDED": 1, "QUANTITY_UNIT": 2},
    lines=3,
)

TARDIS_TRADES = SmallFile(
    "tardis_trades",
    "binance-futures_trades_2020-02-22_BTCUSDT.csv.gz",
    "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
    "binance-futures,BTCUSDT,1582329602418000,1582329602850000,42377944,sell,9682.0,0.132\n"
    "binance-futures,BTCUSDT,1582329602418000,1582329602850001,ab-c,unknown,9682.5,0.132\n",
    rows=(
        (1582329602418 * MS, 1582329602850 * MS, 9682.0, 0.132, 42377944, 1, T, SELL, 0),
        (1582329602418 * MS, 1582329602850001000, 9682.5, 0.132, 0, 1, T, 0, 0),
    ),
    symbols=("BTCUSDT@BINANCE_FUTURES",),
    lines=2,
)

TARDIS_QUOTES = SmallFile(
    "tardis_quotes",
    "quotes.csv",
    "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
    "deribit,BTC-PERPETUAL,1582329602418000,1582329602850000,20,9682.5,9682.0,10\n"
    "deribit,BTC-PERPETUAL,1582329603418000,1582329603850000,,,9682.0,10\n",
    rows=(
        (1582329602418 * MS, 1582329602850 * MS, 9682.0, 10.0, 0, 1, B, BUY, 0),
        (1582329602418 * MS, 1582329602850 * MS, 9682.5, 20.0, 0, 1, A, SELL, 0),
        (1582329603418 * MS, 1582329603850 * MS, 9682.0, 10.0, 0, 1, B, BUY, 0),
    ),
    symbols=("BTC-PERPETUAL@DERIBIT",),
    findings={"ONE_SIDED": 1},
    lines=2,
)

TARDIS_BOOK = SmallFile(
    "tardis_book",
    "book.csv",
    "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
    "deribit,BTC-PERPETUAL,1582329602418000,1582329602850000,true,bid,9682.0,10\n"
    "deribit,BTC-PERPETUAL,1582329602418000,1582329602850000,true,ask,9682.5,20\n"
    "deribit,BTC-PERPETUAL,1582329603418000,1582329603850000,false,bid,9682.0,0\n",
    rows=(
        (1582329602418 * MS, 1582329602850 * MS, 9682.0, 10.0, 0, 1, SET, BUY, FIRST),
        (1582329602418 * MS, 1582329602850 * MS, 9682.5, 20.0, 0, 1, SET, SELL, SNAP),
        (1582329603 * S + 418 * MS, 1582329603850 * MS, 9682.0, 0.0, 0, 1, DEL, BUY, 0),
    ),
    symbols=("BTC-PERPETUAL@DERIBIT",),
    findings={"SAME_TIME": 1},
    lines=3,
)
