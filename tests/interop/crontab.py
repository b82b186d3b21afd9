"""The commands of a file for /etc/cron.d as cron gives them to a shell: crontab.py FILE. The times are read by croniter."""
import re
import sys

from croniter import croniter

with open(sys.argv[1], encoding="utf-8") as stream:
    for line in stream:
        line = line.rstrip("\n")
        if not line or line.startswith("#") or re.match(r"\w+=", line):
            continue
        when, user, command = re.fullmatch(r"((?:\S+ ){5})(\S+) (.*)", line).groups()
        if not croniter.is_valid(when.strip()) or not re.fullmatch(r"[\w.-]+", user):
            sys.exit(f"not a line of cron's: {line}")
        if re.search(r"(?<!\\)%", command):
            sys.exit(f"cron ends the command at a percent sign: {line}")
        print(command.replace("\\%", "%"))
