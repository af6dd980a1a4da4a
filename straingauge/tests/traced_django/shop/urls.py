"""GET /orders/1 waits for itself, for the database and for another service; GET /fail raises."""

import os
import time

import requests
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path


def read_order(_request: HttpRequest, number: int) -> JsonResponse:
    """Wait 20 ms for each of them; one statement runs four times."""
    time.sleep(0.02)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.02)")
        for line in range(4):
            cursor.execute("SELECT %s::int AS order_line", [line])
    requests.get(os.environ["DEPENDENCY"], timeout=10).raise_for_status()
    return JsonResponse({"number": number})


def fail(_request: HttpRequest) -> JsonResponse:
    """Fail as a service does."""
    raise LookupError("no such order")


urlpatterns = [path("orders/<int:number>", read_order), path("fail", fail)]
