"""What Tencent's simulated cloud offers."""

from __future__ import annotations

import hashlib

from bridgx_server.cloudsim.catalog import Catalog, ImageOffer, TypeOffer

# Named as DescribeRegions and DescribeZones name them.
_REGIONS = {
    "ap-guangzhou": ("华南地区(广州)", (3, 4, 6, 7)),
    "ap-shanghai": ("华东地区(上海)", (2, 3, 4, 5, 8)),
    "ap-nanjing": ("华东地区(南京)", (1, 2, 3)),
    "ap-beijing": ("华北地区(北京)", (3, 5, 6, 7)),
    "ap-chengdu": ("西南地区(成都)", (1, 2)),
    "ap-hongkong": ("港澳台地区(中国香港)", (2, 3)),
    "ap-singapore": ("亚太东南(新加坡)", (2, 3, 4)),
}
# size → cores; the number behind a size is GiB.
_SIZES = (
    ("SMALL", 1),
    ("MEDIUM", 2),
    ("LARGE", 4),
    ("2XLARGE", 8),
    ("4XLARGE", 16),
    ("8XLARGE", 32),
    ("16XLARGE", 64),
)
_RATIOS = {"S": (1, 2, 4), "SA": (1, 2, 4), "C": (2,), "M": (8,)}
_FAMILIES = ("S5", "S6", "S8", "SA2", "SA3", "SA5", "C5", "C6", "M5", "M6")


def catalog() -> Catalog:
    """Types are named `<family>.<size><GiB>`; there are more images than a page of the API holds."""
    types = {
        offer.name: offer
        for family in _FAMILIES
        for ratio in _RATIOS[family.rstrip("0123456789")]
        for size, cores in _SIZES
        for offer in (TypeOffer(f"{family}.{size}{cores * ratio}", family, cores, cores * ratio),)
    }
    images = {image.image_id: image for image in _images()}
    return Catalog(
        {region: name for region, (name, _) in _REGIONS.items()},
        {region: [f"{region}-{number}" for number in numbers] for region, (_, numbers) in _REGIONS.items()},
        types,
        dict.fromkeys(_REGIONS, images),
        {"ap-guangzhou-3": frozenset({"S8.16XLARGE256", "M6.16XLARGE512"})},
    )


def _images() -> list[ImageOffer]:
    systems = [
        *(("TencentOS", f"TencentOS Server {version}", "linux") for version in ("2.4", "3.1", "4.0")),
        *(("CentOS", f"CentOS 7.{minor} 64位", "linux") for minor in range(2, 10)),
        *(("Ubuntu", f"Ubuntu Server {year}.04 LTS 64位", "linux") for year in (16, 18, 20, 22, 24)),
        *(("Debian", f"Debian {major}.0 64位", "linux") for major in range(9, 13)),
        *(("Windows", f"Windows Server {year} 数据中心版 64位 中文版", "windows") for year in (2016, 2019, 2022)),
    ]
    return [
        ImageOffer(f"img-{hashlib.sha256(name.encode()).hexdigest()[:8]}", name, os_type, platform)
        for platform, system, os_type in systems
        for year in range(2022, 2027)
        for half in ("01", "07")
        for name in (f"{system} {year}{half}",)
    ]
