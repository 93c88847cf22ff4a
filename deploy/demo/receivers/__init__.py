"""Slack, PagerDuty and a webhook, as far as Alertmanager needs them: they check what comes, and keep it to be read."""
