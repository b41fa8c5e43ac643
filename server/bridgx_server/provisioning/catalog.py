"""What the clouds offer, remembered for some minutes by account and region."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from cachetools import LRUCache

from bridgx_server.errors import InvalidField
from bridgx_server.providers.base import Image, InstanceType, Region, Zone
from bridgx_server.providers.errors import ErrorClass, ProviderError
from bridgx_server.scaling.engine import Clouds

FRESH = 300.0  # seconds until an answer is asked for anew, in the background
KEPT = 86_400.0  # seconds that an old answer is better than an error
ENTRIES = 2_000  # answers that are remembered

Value = TypeVar("Value")


@dataclass(frozen=True)
class _Entry:
    value: Any
    at: float


class Catalog:
    """Regions, zones, types and images. Several who ask at once for the same make one call to the cloud."""

    def __init__(self, clouds: Clouds, background: Executor, clock: Callable[[], float] = time.monotonic) -> None:
        self._clouds = clouds
        self._background = background
        self._clock = clock
        self._entries: LRUCache[Hashable, _Entry] = LRUCache(ENTRIES)
        # Only those that someone holds or waits for: callers name what they like.
        self._loading: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()
        self._lock = threading.Lock()

    def regions(self, account_id: int) -> list[Region]:
        """The regions; raises ProviderError."""
        return self._get((account_id, "regions"), lambda: self._clouds.provider(account_id).list_regions())

    def zones(self, account_id: int, region_id: str) -> list[Zone]:
        """The zones of a region; raises InvalidField, ProviderError."""
        self._known_region(account_id, region_id)
        key = (account_id, "zones", region_id)
        return self._get(key, lambda: self._clouds.provider(account_id).list_zones(region_id))

    def instance_types(self, account_id: int, region_id: str, zone_id: str) -> list[InstanceType]:
        """The types on sale in a zone; raises InvalidField, ProviderError."""
        if zone_id not in {zone.zone_id for zone in self.zones(account_id, region_id)}:
            raise InvalidField("zone_id", f"{zone_id} is no zone of {region_id}")
        key = (account_id, "types", region_id, zone_id)
        return self._get(key, lambda: self._clouds.provider(account_id).list_instance_types(region_id, zone_id))

    def images(self, account_id: int, region_id: str) -> list[Image]:
        """The images of a region; raises InvalidField, ProviderError."""
        self._known_region(account_id, region_id)
        key = (account_id, "images", region_id)
        return self._get(key, lambda: self._clouds.provider(account_id).list_images(region_id))

    def image(self, account_id: int, region_id: str, image_id: str) -> Image | None:
        """An image that machines can be started from, None where there is none; raises ProviderError."""
        key = (account_id, "image", region_id, image_id)
        return self._get(key, lambda: self._clouds.provider(account_id).find_image(region_id, image_id))

    def _known_region(self, account_id: int, region_id: str) -> None:
        if region_id not in {region.region_id for region in self.regions(account_id)}:
            raise InvalidField("region_id", f"{region_id} is no region of this cloud")

    def _get(self, key: Hashable, load: Callable[[], Value]) -> Value:
        entry = self._entry(key)
        if entry is not None:
            age = self._clock() - entry.at
            if age >= FRESH:
                self._refresh_later(key, load)
            if age < KEPT:
                return cast(Value, entry.value)
        with self._loader(key):
            again = self._entry(key)
            if again is not None and again is not entry:
                return cast(Value, again.value)
            return self._load(key, load)

    def _load(self, key: Hashable, load: Callable[[], Value]) -> Value:
        value = load()
        with self._lock:
            if value is None:  # nothing of that name, and nothing to remember: it may be made at any moment
                self._entries.pop(key, None)
            else:
                self._entries[key] = _Entry(value, self._clock())
        return value

    def _entry(self, key: Hashable) -> _Entry | None:
        with self._lock:
            return self._entries.get(key)

    def _loader(self, key: Hashable) -> threading.Lock:
        with self._lock:
            return self._loading.setdefault(key, threading.Lock())

    def _refresh_later(self, key: Hashable, load: Callable[[], Value]) -> None:
        loader = self._loader(key)
        if not loader.acquire(blocking=False):
            return  # someone is at it

        def refresh() -> None:
            try:
                self._load(key, load)
            except ProviderError as error:
                if error.kind in (ErrorClass.BAD_CREDENTIALS, ErrorClass.PERMISSION_DENIED):
                    with self._lock:
                        self._entries.pop(key, None)

        try:
            future = self._background.submit(refresh)
        except RuntimeError:  # the server is stopping: the old answer is the last
            loader.release()
        else:
            # Also for one that is canceled before it has begun.
            future.add_done_callback(lambda _: loader.release())
