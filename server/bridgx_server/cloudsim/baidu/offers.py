"""What Baidu's simulated cloud offers."""

from __future__ import annotations

import hashlib

from bridgx_server.cloudsim.catalog import Catalog, ImageOffer, TypeOffer

# Regions with a BCC endpoint, from Baidu's Terraform provider; zones are named country-region-letter.
_REGIONS = {
    "bj": ("华北-北京", "abcdef"),
    "bd": ("华北-保定", "abc"),
    "gz": ("华南-广州", "abcf"),
    "su": ("华东-苏州", "abcde"),
    "fsh": ("华东-上海", "ab"),
    "fwh": ("华中-武汉", "ab"),
    "hkg": ("香港", "ab"),
    "sin": ("新加坡", "ab"),
}
_CORES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
_MONTHS = range(1, 13)


def catalog() -> Catalog:
    """Types are named `bcc.<family>.c<cores>m<GiB>`; there are more images than a page of the API holds."""
    types = {
        offer.name: offer
        for family, ratios in (
            ("g3", (1, 2, 4)),
            ("g4", (4,)),
            ("g5", (2, 4)),
            ("c4", (2,)),
            ("c5", (2,)),
            ("m5", (8,)),
        )
        for ratio in ratios
        for cores in _CORES
        for offer in (TypeOffer(f"bcc.{family}.c{cores}m{cores * ratio}", family, cores, cores * ratio),)
    }
    images = {image.image_id: image for image in _images()}
    return Catalog(
        {region: name for region, (name, _) in _REGIONS.items()},
        {region: [f"cn-{region}-{letter}" for letter in letters] for region, (_, letters) in _REGIONS.items()},
        types,
        dict.fromkeys(_REGIONS, images),
        {"cn-bj-b": frozenset({"bcc.m5.c64m512", "bcc.g5.c64m256"})},
    )


def _images() -> list[ImageOffer]:
    systems = [
        *(("CentOS", f"7.{minor} x86_64 (64bit)", "linux") for minor in range(1, 10)),
        *(("Ubuntu", f"{year}.04 LTS amd64 (64bit)", "linux") for year in (16, 18, 20, 22, 24)),
        *(("Debian", f"{major}.0.0 amd64 (64bit)", "linux") for major in range(9, 13)),
        *(("Windows Server", f"{year} R2 Datacenter x86_64 (64bit)", "windows") for year in (2016, 2019, 2022)),
    ]
    return [
        ImageOffer(f"m-{hashlib.sha256(name.encode()).hexdigest()[:8]}", name, os_type, platform)
        for platform, version, os_type in systems
        for year in range(2022, 2027)
        for month in _MONTHS
        for name in (f"{platform} {version} {year}{month:02d}",)
    ]
