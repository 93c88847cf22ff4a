"""What the environment means to the application and to its users."""

import pytest

from deploy.demo.deltacrown import settings as app
from deploy.demo.loadgen import settings as load


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "1", "yes", "Yes"])
def test_flag_is_on(value: str) -> None:
    assert app.flag(value)


@pytest.mark.parametrize("value", ["", "false", "False", "0", "no", "on", "enabled", " true", "tru", "2"])
def test_anything_else_is_off(value: str) -> None:
    assert not app.flag(value)


def test_absent_flags_are_off_and_the_rest_has_defaults() -> None:
    found = app.from_environment({"CERT_S3_BUCKET": "b"})
    assert (found.read_primary, found.dual_write, found.log_level) == (False, False, "INFO")
    assert (found.connect_timeout, found.read_timeout) == (2.0, 5.0)
    assert str(found.local_path) == "/mnt/media/certificates"
    assert found.prefix == "certificates/"


def test_everything_is_read_from_the_environment() -> None:
    found = app.from_environment(
        {
            "CERT_S3_BUCKET": "deltacrown-certificates",
            "CERT_S3_PREFIX": "some/where",
            "CERT_LOCAL_PATH": "/elsewhere",
            "CERT_S3_READ_PRIMARY": "true",
            "CERT_S3_DUAL_WRITE": "1",
            "LOG_LEVEL": "debug",
            "CERT_S3_CONNECT_TIMEOUT": "10",
            "CERT_S3_READ_TIMEOUT": "30",
            "AWS_ENDPOINT_URL_S3": "http://s3.s3.svc:9000",
            "AWS_REGION": "eu-central-1",
        }
    )
    assert (found.read_primary, found.dual_write, found.log_level) == (True, True, "DEBUG")
    assert (found.connect_timeout, found.read_timeout) == (10.0, 30.0)
    assert (found.bucket, found.prefix, str(found.local_path)) == (
        "deltacrown-certificates",
        "some/where/",
        "/elsewhere",
    )
    assert (found.endpoint, found.region) == ("http://s3.s3.svc:9000", "eu-central-1")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "CERT_S3_BUCKET"),
        ({"CERT_S3_BUCKET": "b", "LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"CERT_S3_BUCKET": "b", "CERT_S3_READ_TIMEOUT": "soon"}, "CERT_S3_READ_TIMEOUT"),
        ({"CERT_S3_BUCKET": "b", "CERT_S3_CONNECT_TIMEOUT": "0"}, "CERT_S3_CONNECT_TIMEOUT"),
        ({"CERT_S3_BUCKET": "b", "CERT_S3_CONNECT_TIMEOUT": "nan"}, "CERT_S3_CONNECT_TIMEOUT"),
    ],
)
def test_what_cannot_be_read_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(app.SettingsError, match=named):
        app.from_environment(environ)


def test_default_traffic_is_enough_for_every_ratio() -> None:
    found = load.from_environment({})
    assert found.reads >= 5
    assert min(found.reads, found.saves, found.deletes) * 60 >= 20


def test_load_that_cannot_be_read_is_named() -> None:
    with pytest.raises(load.SettingsError, match="CERT_LOAD_USERS"):
        load.from_environment({"CERT_LOAD_USERS": "0"})
    with pytest.raises(load.SettingsError, match="CERT_LOAD_READS_PER_SECOND"):
        load.from_environment({"CERT_LOAD_READS_PER_SECOND": "many"})
