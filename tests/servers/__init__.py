"""A real server on loopback for every remote of `cookiecutter.json`, by the remote's name."""

from . import clouds, folders, standins
from .running import Server

SERVERS = {
    "local": folders.local,
    "s3": clouds.s3,
    "azure": clouds.azure,
    "gs": clouds.gs,
    "gdrive": standins.gdrive,
    "oss": standins.oss,
    "ssh": folders.ssh,
    "webdav": folders.webdav,
    "http": folders.http,
    "hdfs": standins.hdfs,
    "webhdfs": standins.webhdfs,
}

__all__ = ["SERVERS", "Server"]
