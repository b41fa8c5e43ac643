"""What each simulated cloud offers: regions, zones, machine types and images, named as the vendors name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class TypeOffer:
    """A machine type. ``memory_gib`` is GiB."""

    name: str
    family: str
    cores: int
    memory_gib: float


@dataclass(frozen=True)
class ImageOffer:
    """A public image. ``platform`` is the vendor's word for the distribution."""

    image_id: str
    name: str
    os_type: str
    platform: str


@dataclass(frozen=True)
class Catalog:
    """``zones`` by region; ``types`` are offered in every zone but those that ``absent`` names by zone."""

    regions: Mapping[str, str]
    zones: Mapping[str, Sequence[str]]
    types: Mapping[str, TypeOffer]
    images: Mapping[str, Mapping[str, ImageOffer]]
    absent: Mapping[str, frozenset[str]]

    def region_of(self, zone_id: str) -> str:
        """The region that a zone lies in; empty where there is no such zone."""
        return next((region for region, zones in self.zones.items() if zone_id in zones), "")

    def types_in(self, zone_id: str) -> list[TypeOffer]:
        """The types that a zone offers."""
        missing = self.absent.get(zone_id, frozenset())
        return [offer for offer in self.types.values() if offer.name not in missing]


@cache
def catalog_of(provider: str) -> Catalog:
    """The catalog of a cloud."""
    return _BUILDERS[provider]()


def _types(families: Mapping[str, Sequence[tuple[str, int, float]]]) -> dict[str, TypeOffer]:
    return {
        name: TypeOffer(name, family, cores, memory)
        for family, rows in families.items()
        for name, cores, memory in rows
    }


_SIZES = (("large", 2), ("xlarge", 4), ("2xlarge", 8), ("4xlarge", 16), ("8xlarge", 32), ("16xlarge", 64))


def _alibaba() -> Catalog:
    regions = {
        "cn-qingdao": "华北1（青岛）",
        "cn-beijing": "华北2（北京）",
        "cn-zhangjiakou": "华北3（张家口）",
        "cn-hangzhou": "华东1（杭州）",
        "cn-shanghai": "华东2（上海）",
        "cn-shenzhen": "华南1（深圳）",
        "ap-southeast-1": "新加坡",
    }
    letters = {"cn-qingdao": "bc", "cn-beijing": "acfghi", "cn-zhangjiakou": "abc", "ap-southeast-1": "abc"}
    zones = {region: [f"{region}-{letter}" for letter in letters.get(region, "bghi")] for region in regions}
    families: dict[str, list[tuple[str, int, float]]] = {
        "ecs.n1": [("ecs.n1.tiny", 1, 1), ("ecs.n1.small", 1, 2), ("ecs.n1.medium", 2, 4)],
        "ecs.s6": [("ecs.s6-c1m1.small", 1, 1), ("ecs.s6-c1m2.small", 1, 2), ("ecs.s6-c1m2.large", 2, 4)],
        "ecs.t5": [("ecs.t5-lc2m1.nano", 1, 0.5), ("ecs.t5-lc1m1.small", 1, 1)],
    }
    for letter, ratio in (("c", 2), ("g", 4), ("r", 8)):
        for generation in (5, 6, 7, 8):
            family = f"ecs.{letter}{generation}"
            families[family] = [(f"{family}.{size}", cores, cores * ratio) for size, cores in _SIZES]
    images = {
        image.image_id: image
        for image in (
            *(
                ImageOffer(f"centos_7_{minor}_x64_20G_alibase_{date}.vhd", f"CentOS  7.{minor} 64位", "linux", "CentOS")
                for minor in range(2, 10)
                for date in ("20210824", "20211030", "20220426")
            ),
            *(
                ImageOffer(f"ubuntu_{year}_04_x64_20G_alibase_{date}.vhd", f"Ubuntu  {year}.04 64位", "linux", "Ubuntu")
                for year in (16, 18, 20, 22, 24)
                for date in ("20220824", "20230907", "20240926")
            ),
            *(
                ImageOffer(
                    f"aliyun_3_x64_20G_alibase_{year}{month:02d}15.vhd", "Alibaba Cloud Linux 3", "linux", "Aliyun"
                )
                for year in range(2021, 2027)
                for month in range(1, 13)
            ),
            *(
                ImageOffer(
                    f"win{year}_dtc_zh-cn_40G_alibase_{date}.vhd", f"Windows Server {year}", "windows", "Windows"
                )
                for year in (2016, 2019, 2022)
                for date in ("20230915", "20240918")
            ),
        )
    }
    return Catalog(
        regions,
        zones,
        _types(families),
        dict.fromkeys(regions, images),
        {"cn-qingdao-b": frozenset({"ecs.g8.16xlarge", "ecs.r8.16xlarge"})},
    )


def _aws() -> Catalog:
    names = {
        "us-east-1": "US East (N. Virginia)",
        "us-east-2": "US East (Ohio)",
        "us-west-2": "US West (Oregon)",
        "eu-west-1": "Europe (Ireland)",
        "eu-central-1": "Europe (Frankfurt)",
        "ap-northeast-1": "Asia Pacific (Tokyo)",
        "ap-southeast-1": "Asia Pacific (Singapore)",
    }
    zones = {region: [f"{region}{letter}" for letter in "abc"] for region in names}
    families: dict[str, list[tuple[str, int, float]]] = {
        "t2": [("t2.nano", 1, 0.5), ("t2.micro", 1, 1), ("t2.small", 1, 2), ("t2.medium", 2, 4)],
        "t3": [("t3.nano", 2, 0.5), ("t3.micro", 2, 1), ("t3.small", 2, 2), ("t3.medium", 2, 4), ("t3.large", 2, 8)],
    }
    for letter, ratio in (("c", 2), ("m", 4), ("r", 8)):
        for generation in ("5", "5a", "5n", "6i", "6a", "7i", "7a"):
            family = f"{letter}{generation}"
            families[family] = [(f"{family}.{size}", cores, cores * ratio) for size, cores in _SIZES]
    images: dict[str, dict[str, ImageOffer]] = {}
    for number, region in enumerate(names):
        rows = []
        for year in range(2021, 2027):
            for month in range(1, 13):
                serial = f"{number:02x}{year:04x}{month:02x}"
                rows.append(
                    ImageOffer(f"ami-{serial:0>17}", f"al2023-ami-{year}.{month}.0-x86_64", "linux", "Linux/UNIX")
                )
        rows.append(
            ImageOffer(
                f"ami-{f'{number:02x}feed01':0>17}", "Windows_Server-2022-English-Full-Base", "windows", "Windows"
            )
        )
        images[region] = {row.image_id: row for row in rows}
    return Catalog(names, zones, _types(families), images, {"us-east-1c": frozenset({"t2.nano", "m7a.16xlarge"})})


def _baidu() -> Catalog:
    from bridgx_server.cloudsim.baidu.offers import catalog

    return catalog()


def _huawei() -> Catalog:
    from bridgx_server.cloudsim.huawei.offers import catalog

    return catalog()


def _tencent() -> Catalog:
    from bridgx_server.cloudsim.tencent.offers import catalog

    return catalog()


_BUILDERS = {
    "AlibabaCloud": _alibaba,
    "HuaweiCloud": _huawei,
    "TencentCloud": _tencent,
    "BaiduCloud": _baidu,
    "AWSCloud": _aws,
}
