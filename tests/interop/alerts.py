"""A test of promtool's: alerts.py RULES METRICS CASES, where CASES is `AGE: ALERT=HOW_MANY ...; ...`.

The times in the metrics are moved so that the first certificate began when the test does, which is when promtool's clock is 0.
"""
import re
import sys

import yaml

rules, metrics, cases = sys.argv[1:]
STEP_HOURS, STEPS = 6, 120

samples = []
with open(metrics, encoding="utf-8") as stream:
    for line in stream:
        if not line.startswith("#"):
            series, _, value = line.rstrip("\n").rpartition(" ")
            samples.append((series, int(value)))
renewed = [value for series, value in samples if series.startswith("certgen_last_renew_success")]
start = min(renewed)
# The expired flag is what status saw then; the alert counts for itself.
series = [
    {"series": name, "values": f"{value - start if 'timestamp' in name or '_not_' in name else value}+0x{STEPS}"}
    for name, value in samples
]


def hours(age):
    days, more = re.fullmatch(r"(\d+)d(?:(\d+)h)?", age).groups()
    return int(days) * 24 + int(more or 0)


expressions = []
for case in cases.split(";"):
    age, _, alerts = case.strip().partition(":")
    expected = [alert.split("=") for alert in alerts.split()]
    expressions.append({
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{hours(age)}h",
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": int(count)} for name, count in expected],
    })
test = {
    "rule_files": [rules],
    "evaluation_interval": f"{STEP_HOURS}h",
    "tests": [{"interval": f"{STEP_HOURS}h", "input_series": series, "promql_expr_test": expressions}],
}
yaml.safe_dump(test, sys.stdout)
