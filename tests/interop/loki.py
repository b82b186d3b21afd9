"""Rules of Loki's ruler.

loki.py expressions RULES       the expressions, one a line
loki.py hear RULES LOG          what each rule's line filters let pass of a log, with the labels that they make
"""
import re
import sys

import yaml

with open(sys.argv[2], encoding="utf-8") as stream:
    rules = [rule for group in yaml.safe_load(stream)["groups"] for rule in group["rules"]]

if sys.argv[1] == "expressions":
    for rule in rules:
        print(rule["expr"])
else:
    with open(sys.argv[3], encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    for rule in rules:
        filters = re.findall(r"\|~ `([^`]*)`", rule["expr"])
        parsers = re.findall(r"\| regexp `([^`]*)`", rule["expr"])
        for line in lines:
            if all(re.search(pattern, line) for pattern in filters):
                labels = [value for pattern in parsers for value in re.search(pattern, line).groupdict().values()]
                print(rule["alert"], ", ".join(labels))
