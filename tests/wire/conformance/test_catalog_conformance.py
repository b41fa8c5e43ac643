"""The catalog of every cloud: all of it, page after page, as the cloud has it."""

from __future__ import annotations

from wire.conformance.world import World


def test_regions_and_zones_are_those_of_the_cloud(world: World) -> None:
    catalog = world.simulator.clouds[world.cloud.provider].catalog

    assert {region.region_id for region in world.provider.list_regions()} == set(catalog.regions)
    assert all(region.local_name for region in world.provider.list_regions())
    zones = world.provider.list_zones(world.cloud.region)
    assert {zone.zone_id for zone in zones} == set(catalog.zones[world.cloud.region])
    assert all(zone.local_name for zone in zones)


def test_types_are_all_that_the_zone_sells_with_their_size(world: World) -> None:
    catalog = world.simulator.clouds[world.cloud.provider].catalog

    types = world.provider.list_instance_types(world.cloud.region, world.cloud.zone)

    offered = catalog.types_in(world.cloud.zone)
    assert {(row.name, row.family, row.cores, row.memory_gib) for row in types} == {
        (offer.name, offer.family, offer.cores, float(offer.memory_gib)) for offer in offered
    }
    assert len(types) == len(offered)


def test_a_sold_out_type_is_not_listed_where_the_cloud_tells(world: World) -> None:
    world.control.capacity(world.cloud.provider, world.cloud.zone, 0, world.cloud.instance_type)

    names = {row.name for row in world.provider.list_instance_types(world.cloud.region, world.cloud.zone)}

    assert (world.cloud.instance_type not in names) == world.cloud.shows_stock
    assert names


def test_images_are_listed_to_the_last_page(world: World) -> None:
    offered = world.simulator.clouds[world.cloud.provider].catalog.images[world.cloud.region]

    images = world.provider.list_images(world.cloud.region)

    assert sorted(image.image_id for image in images) == sorted(offered)
    assert {image.image_id: image.os_type for image in images} == {
        image_id: offer.os_type for image_id, offer in offered.items()
    }
    assert all(image.os_name for image in images)


def test_an_image_is_found_by_id_or_not_at_all(world: World) -> None:
    found = world.provider.find_image(world.cloud.region, world.cloud.image)

    assert found is not None
    assert found.image_id == world.cloud.image
    assert world.provider.find_image(world.cloud.region, world.cloud.image[:-1] + "0") is None
