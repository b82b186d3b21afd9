"""Print the documents of a YAML file as JSON: read_yaml.py FILE"""
import json
import sys

import yaml

print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1], encoding="utf-8")))))
