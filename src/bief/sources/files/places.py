"""From the options of a files source to the place that its files are in."""

from __future__ import annotations

import importlib
from typing import cast

from bief.ports.runtime import Runtime
from bief.sources.files.options import FilesOptions
from bief.storage.local import LocalStorage
from bief.storage.s3 import S3Access, S3Storage
from bief.storage.stored import Storage


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
        # By name: what speaks HTTP costs every start a little, and most files lie on this machine.
        web = importlib.import_module("bief.storage.web")
        return cast("Storage", web.WebStorage(web.WebAccess(options.path, options.headers), runtime))
    return LocalStorage(runtime.folder / options.path, runtime.clock)
