"""What Huawei's simulated cloud offers."""

from __future__ import annotations

import uuid

from bridgx_server.cloudsim.catalog import Catalog, ImageOffer, TypeOffer

# Regions and zones as the endpoint list of Huawei Cloud names them.
_REGIONS = {
    "cn-north-4": ("华北-北京四", "abcg"),
    "cn-north-1": ("华北-北京一", "abc"),
    "cn-north-9": ("华北-乌兰察布一", "abc"),
    "cn-east-3": ("华东-上海一", "abcd"),
    "cn-south-1": ("华南-广州", "cef"),
    "cn-southwest-2": ("西南-贵阳一", "abcd"),
    "ap-southeast-1": ("中国-香港", "abc"),
    "ap-southeast-3": ("亚太-新加坡", "abc"),
}
_SIZES = (
    ("medium", 1),
    ("large", 2),
    ("xlarge", 4),
    ("2xlarge", 8),
    ("4xlarge", 16),
    ("8xlarge", 32),
    ("16xlarge", 64),
)
_FAMILIES = (
    ("s6", (1, 2, 4)),
    ("s7", (2, 4)),
    ("c6", (2, 4)),
    ("c7", (2, 4)),
    ("m6", (8,)),
    ("m7", (8,)),
)
# family → `ecs:performancetype`
PERFORMANCE = {"s": "normal", "c": "computingv3", "m": "highmem"}


def catalog() -> Catalog:
    """Types are named `<family>.<size>.<GiB a core>`; there are more images than a page of the API holds."""
    types = {
        offer.name: offer
        for family, ratios in _FAMILIES
        for ratio in ratios
        for size, cores in _SIZES
        for offer in (TypeOffer(f"{family}.{size}.{ratio}", family, cores, cores * ratio),)
    }
    images = {image.image_id: image for image in _images()}
    return Catalog(
        {region: name for region, (name, _) in _REGIONS.items()},
        {region: [f"{region}{letter}" for letter in letters] for region, (_, letters) in _REGIONS.items()},
        types,
        dict.fromkeys(_REGIONS, images),
        {"cn-north-4b": frozenset({"m7.16xlarge.8", "c7.16xlarge.4"})},
    )


def _images() -> list[ImageOffer]:
    systems = [
        *(("CentOS", f"CentOS 7.{minor} 64bit", "linux") for minor in range(2, 10)),
        *(("Ubuntu", f"Ubuntu {year}.04 server 64bit", "linux") for year in (16, 18, 20, 22, 24)),
        *(("Debian", f"Debian {major}.0.0 64bit", "linux") for major in range(9, 13)),
        ("EulerOS", "Huawei Cloud EulerOS 2.0 Standard 64 bit", "linux"),
        *(("Windows", f"Windows Server {year} Datacenter 64bit", "windows") for year in (2016, 2019, 2022)),
    ]
    return [
        ImageOffer(str(uuid.uuid5(uuid.NAMESPACE_OID, name)), name, os_type, platform)
        for platform, version, os_type in systems
        for year in range(2023, 2026)
        for month in range(1, 13)
        for name in (f"{version} {year}{month:02d}",)
    ]
