"""The scripts of a pipeline, each ended by NUL: steps.py github|gitlab|gitlab-with-variables FILE."""
import sys

import yaml

with open(sys.argv[2], encoding="utf-8") as stream:
    pipeline = yaml.safe_load(stream)
if sys.argv[1] == "github":
    scripts = [step["run"] for job in pipeline["jobs"].values() for step in job["steps"] if "run" in step]
else:
    variables = [each for job in pipeline.values() for each in job.get("variables", {}).items()]
    if sys.argv[1] == "gitlab":
        variables = []
    scripts = [f'export {name}="{value}"' for name, value in variables]
    scripts += [line for job in pipeline.values() for line in job["script"]]
for script in scripts:
    sys.stdout.write(script + "\0")
