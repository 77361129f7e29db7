"""Real data, row by row: kcat publishes the 2020 Squirrel Census as JSON lines, kafka-python reads the same census."""

import csv
import json
import pathlib
import subprocess

from clients import kafka_python

CENSUS = pathlib.Path(__file__).parent / "squirrel-data.csv"


def test_squirrel_census(kcat, broker, make_topic):
    with open(CENSUS, newline="", encoding="utf-8") as file:
        squirrels = list(csv.DictReader(file))
    assert len(squirrels) > 400
    topic = make_topic()
    lines = "".join(json.dumps(squirrel, ensure_ascii=False) + "\n" for squirrel in squirrels)
    subprocess.run(["kcat", "-P", "-b", broker, "-t", topic, "-X", "acks=all"],
                   input=lines.encode(), check=True, timeout=60)
    assert [json.loads(r.message.value) for r in kafka_python.read(broker, topic)] == squirrels
