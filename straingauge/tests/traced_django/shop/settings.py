"""Settings: PostgreSQL at DATABASE_URL."""

import os
from urllib.parse import urlsplit

_address = urlsplit(os.environ["DATABASE_URL"])
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS: list[str] = []
MIDDLEWARE: list[str] = []
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _address.path.lstrip("/"),
        "USER": _address.username,
        "PASSWORD": _address.password,
        "HOST": _address.hostname,
        "PORT": _address.port,
    }
}
