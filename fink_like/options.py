"""Options and an example of each command of `fink_like.cli`: flags as argparse takes them."""

JOBS = ("ingest", "science", "distribute")

DATA = (("--data",), {"help": "folder or URL of the tables (setting data)"})
SERVERS = (("--servers",), {"help": "Kafka servers host:port,... (setting kafka.servers)"})
RATE = (("--rate",), {"type": float, "help": "messages a second; default: as fast as it goes"})
TOPIC = (("--topic",), {"help": "Kafka topic; made if it is missing"})
OF_A_JOB = (
    DATA, SERVERS,
    (("--until-caught-up",), {"action": "store_true",
                              "help": "end when all that is there now is done"}),
    (("--trigger",), {"help": "shortest time between batches, such as '10 seconds'"}))

OPTIONS = {
    "setup": (),
    "kafka": ((("action",), {"choices": ("start", "stop", "status")}),
              (("--port",), {"type": int, "help": "default: a free one"})),
    "simulate": (
        (("--survey",), {"required": True, "help": "a recipe of conf/simulator"}),
        (("--alerts",), {"type": int, "default": 1000, "help": "default 1000"}),
        (("--nights",), {"type": int, "default": 1, "help": "default 1"}),
        (("--seed",), {"type": int, "default": 1, "help": "same seed, same packets; default 1"}),
        (("--start-mjd",), {"type": float, "help": "evening of the first night"}),
        TOPIC, (("--folder",), {"help": "write files here instead"}),
        (("--truth",), {"help": "Parquet file for what is really there"}), RATE,
        (("--fault",), {"action": "append", "default": [], "metavar": "KIND=SHARE",
                        "help": "damage a share of messages: truncated, flipped, unknown_schema, "
                                "empty, duplicate; may be given several times"}),
        (("--no-cutouts",), {"action": "store_true", "help": "packets without stamps"}), SERVERS),
    "publish": ((("files",), {"nargs": "+", "help": "files or folders"}),
                (("--topic",), {"required": True, "help": "made if it is missing"}), RATE, SERVERS),
    "run": OF_A_JOB,
    "ingest": OF_A_JOB,
    "science": OF_A_JOB,
    "distribute": OF_A_JOB,
    "listen": (
        (("topics",), {"nargs": "+"}), SERVERS,
        (("--limit",), {"type": int, "help": "end after this many alerts"}),
        (("--timeout",), {"type": float, "help": "end after this many seconds without one"}),
        (("--start",), {"choices": ("earliest", "latest"), "default": "earliest"}),
        (("--group",), {"default": "fink_like_listen", "help": "Kafka consumer group"}),
        (("--state",), {"help": "folder that remembers what was seen, across restarts"})),
    "status": ((("job",), {"nargs": "?", "choices": JOBS}),
               (("--max-age",), {"type": float, "default": 300.0,
                                 "help": "seconds since its last sign of life"}), DATA),
    "stop": ((("job",), {"choices": (*JOBS, "all")}),
             (("--wait",), {"type": float, "nargs": "?", "const": 120.0, "default": 0.0,
                            "metavar": "SECONDS", "help": "wait until it has ended"}), DATA),
    "trace": ((("alert_id",), {"type": int, "help": "diaSourceId or candid"}), DATA),
    "demo": ((("--keep",), {"action": "store_true",
                            "help": "go on with everything running until Ctrl-C"}),),
}

EXAMPLES = {
    "setup": "fink-like setup",
    "kafka": "fink-like kafka start --port 9092",
    "simulate": "fink-like simulate --survey ztf --alerts 5000 --topic ztf_20260311_programid1 "
                "--truth truth.parquet --fault truncated=0.01",
    "publish": "fink-like publish packets/ --topic ztf_20231018_programid1",
    "run": "fink-like run --until-caught-up",
    "ingest": "fink-like ingest --data /data/broker --servers kafka1:9092",
    "science": "fink-like science --data /data/broker",
    "distribute": "fink-like distribute --data /data/broker",
    "listen": "fink-like listen fink_rising_transient_ztf --limit 3",
    "status": "fink-like status ingest --max-age 300",
    "stop": "fink-like stop ingest --wait 60",
    "trace": "fink-like trace 2752190655615010044 --data var/demo/data",
    "demo": "fink-like demo",
}
