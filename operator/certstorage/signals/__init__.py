"""Prometheus and Alertmanager → what the operator believes, and the operator's alerts → people.

rules       the rule files, built from one source (recording_rules, alerting_rules, timings)
reader      one poll of one server: at most three requests, never an exception (server, answers, queries, sample)
grading     a poll, graded for one policy: pure
source      the signals of all policies, kept fresh; wakes whom a change concerns
nudge       Alertmanager's webhook, which only makes the source poll sooner
alertmanager  the poster of the operator's own alerts
webhook     the same for those without Alertmanager
"""
