"""Create a load suite from captured requests: HAR files, curl commands, Postman collections."""

from straingauge.scaffold.captured.capture import Capture, CapturedRequest
from straingauge.scaffold.captured.curl import parse_curl
from straingauge.scaffold.captured.har import parse_har
from straingauge.scaffold.captured.json_file import read_json
from straingauge.scaffold.captured.postman import parse_postman
from straingauge.scaffold.captured.suite import CapturedSuite, suite_of

__all__ = [
    "Capture",
    "CapturedRequest",
    "CapturedSuite",
    "parse_curl",
    "parse_har",
    "parse_postman",
    "read_json",
    "suite_of",
]
