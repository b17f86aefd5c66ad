"""Grafana's dashboards, written from here: ``python -m deploy.grafana`` after a change."""
