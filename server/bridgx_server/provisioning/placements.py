"""The placements that a template names, with the fields that named them, so that a refusal can point at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bridgx_server.errors import FieldError, InvalidFields
from bridgx_server.store.chunks import Placement


@dataclass(frozen=True)
class Wanted:
    """A placement, and the JSON paths of its zone, its subnet and its type in the request."""

    place: Placement
    zone_field: str = "zone_id"
    subnet_field: str = "network_config.subnet_id"
    type_field: str = "instance_type"


@dataclass(frozen=True)
class Choice:
    """All that a template names, in order of preference.

    ``crossed`` ones are combinations of a list of zones and a list of types, of which those that are not on sale may be
    left out.
    """

    wanted: Sequence[Wanted]
    crossed: bool = False

    @property
    def placements(self) -> tuple[Placement, ...]:
        """The placements alone."""
        return tuple(wanted.place for wanted in self.wanted)

    def without(self, unsold: Sequence[Wanted]) -> Choice:
        """The rest, ranked anew."""
        left = [wanted for wanted in self.wanted if wanted not in unsold]
        ranked = (replace(wanted, place=replace(wanted.place, rank=rank)) for rank, wanted in enumerate(left))
        return replace(self, wanted=tuple(ranked))


def listed(rows: Sequence[tuple[str, str, str]]) -> Choice:
    """Exactly these: zone, subnet and type of each. Raises InvalidFields for one that stands there twice."""
    _refuse_twice("placements", rows)
    return Choice(
        tuple(
            Wanted(
                Placement(index, *row),
                f"placements[{index}].zone_id",
                f"placements[{index}].subnet_id",
                f"placements[{index}].instance_type",
            )
            for index, row in enumerate(rows)
        )
    )


def crossed(
    zones: Sequence[tuple[str, str]], types: Sequence[str], *, zone: tuple[str, str], instance_type: str
) -> Choice:
    """Every combination of the zones (each with its subnet) and types: the first type in all zones, then the next.

    ``zone`` and ``instance_type`` are the single fields, which count where their list is empty. Raises InvalidFields for a
    zone that stands there twice.
    """
    _refuse_twice("zones", zones)
    places = [(f"zones[{index}].zone_id", f"zones[{index}].subnet_id", *row) for index, row in enumerate(zones)]
    kinds = [(f"instance_types[{index}]", name) for index, name in enumerate(types)]
    combinations = [
        (zone_field, subnet_field, type_field, zone_id, subnet_id, name)
        for type_field, name in kinds or [("instance_type", instance_type)]
        for zone_field, subnet_field, zone_id, subnet_id in places or [("zone_id", "network_config.subnet_id", *zone)]
    ]
    return Choice(
        tuple(
            Wanted(Placement(rank, zone_id, subnet_id, name), zone_field, subnet_field, type_field)
            for rank, (zone_field, subnet_field, type_field, zone_id, subnet_id, name) in enumerate(combinations)
        ),
        crossed=bool(zones or types),
    )


def _refuse_twice(field: str, rows: Sequence[tuple[str, ...]]) -> None:
    errors = [
        FieldError(f"{field}[{index}]", f"is the same as {field}[{rows.index(row)}]")
        for index, row in enumerate(rows)
        if rows.index(row) < index
    ]
    if errors:
        raise InvalidFields(errors)
