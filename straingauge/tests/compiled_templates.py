"""Compile the templates of the report, which forks of this process then have."""

from straingauge.report import html

for _name in html._environment(html.REPORT).list_templates():
    html._environment(html.REPORT).get_template(_name)
