"""Cached selections never differ from a new search."""

from hypothesis import given, settings
from hypothesis import strategies as st

from g2a_simulator.catalogue import Catalogue
from g2a_simulator.listing import ListingFilter, matches

FILTERS = [
    ListingFilter(),
    ListingFilter(include_out_of_stock=True),
    ListingFilter(min_qty=3, include_out_of_stock=True),
    ListingFilter(price_from=200, price_to=600),
    ListingFilter(updated_from=50),
    ListingFilter(updated_to=49, include_out_of_stock=True),
]

places = st.integers(0, 24)
changes = st.one_of(
    st.tuples(st.just("stock"), places, st.integers(0, 5)),
    st.tuples(st.just("price"), places, st.integers(0, 900)),
    st.tuples(st.just("remove"), places, st.none()),
    st.tuples(st.just("add"), st.integers(0, 40), st.none()),
)


def apply(catalogue, change, now):
    kind, place, value = change
    id_ = catalogue.index.id_of(place) if place < 25 else 10_000_000_000_500 + place * 1_000
    known = catalogue.index.find(id_)
    if kind == "add" and known is None:
        catalogue.add(id_, now=now)
    elif kind == "remove" and known is not None:
        catalogue.remove(id_)
    elif kind == "stock":
        catalogue.set_stock(place, value, now=now)
    elif kind == "price":
        catalogue.set_price(place, value, now=now)


class TestSelections:
    @settings(max_examples=40, deadline=None)  # the machine may be busy
    @given(st.lists(changes, max_size=30))
    def test_are_what_a_new_search_finds(self, history):
        catalogue = Catalogue(25, seed=1, sandbox=False)
        for now, change in enumerate(history, start=30):
            apply(catalogue, change, now)
            for wanted in FILTERS:
                total, page = catalogue.page(wanted, 1)
                expected = [
                    p for p in catalogue.index.places() if matches(wanted, catalogue.inventory, p)
                ]
                assert total == len(expected)
                assert page == [catalogue.render(place) for place in expected[:20]]

    def test_are_cached_for_the_last_filters_only(self):
        catalogue = Catalogue(100, seed=1, sandbox=False)

        totals = [catalogue.page(ListingFilter(min_qty=n), 1)[0] for n in range(100)]
        again = [catalogue.page(ListingFilter(min_qty=n), 1)[0] for n in range(100)]

        assert totals == again
        assert totals == sorted(totals, reverse=True)
