"""From the options of a files source to the place that its files are in."""

from __future__ import annotations

from bief.ports.runtime import Runtime
from bief.sources.files.options import FilesOptions
from bief.storage.local import LocalStorage
from bief.storage.s3 import S3Access, S3Storage
from bief.storage.stored import Storage
from bief.storage.web import WebStorage
from bief.storage.web_requests import WebAccess


def storage_of(options: FilesOptions, runtime: Runtime) -> Storage:
    """The place that `path` names. No I/O."""
    scheme = options.path.partition("://")[0].lower() if "://" in options.path else ""
    if scheme == "s3":
        access = S3Access(
            folder=options.path.removeprefix("s3://"),
            endpoint=options.endpoint,
            region=options.region,
            access_key=options.access_key,
            secret_key=options.secret_key,
        )
        return S3Storage(access, runtime)
    if scheme:
        return WebStorage(WebAccess(options.path, options.headers), runtime)
    return LocalStorage(runtime.folder / options.path, runtime.clock)
