"""TtlMemo selections: they must never differ from a fresh search."""

from hypothesis import given, settings
from hypothesis import strategies as st

from g2a_simulator.catalogue import Catalogue
from g2a_simulator.listing import ProductFilter, admits

FILTERS = [
    ProductFilter(),
    ProductFilter(include_out_of_stock=True),
    ProductFilter(min_qty=3, include_out_of_stock=True),
    ProductFilter(price_from=200, price_to=600),
    ProductFilter(updated_from=50),
    ProductFilter(updated_to=49, include_out_of_stock=True),
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
    id_ = catalogue.id_of(place) if place < 25 else 10_000_000_000_500 + place * 1_000
    known = catalogue.find_place(id_)
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
    def test_are_what_a_fresh_search_would_find(self, history):
        catalogue = Catalogue(25, seed=1, sandbox=False)
        for now, change in enumerate(history, start=30):
            apply(catalogue, change, now)
            for wanted in FILTERS:
                total, page = catalogue.page(wanted, 1)
                fresh = [p for p in catalogue.places() if admits(wanted, catalogue.figures, p)]
                assert total == len(fresh)
                assert page == [catalogue.render(place) for place in fresh[:20]]

    def test_are_remembered_for_the_last_filters_only(self):
        catalogue = Catalogue(100, seed=1, sandbox=False)

        totals = [catalogue.page(ProductFilter(min_qty=n), 1)[0] for n in range(100)]
        again = [catalogue.page(ProductFilter(min_qty=n), 1)[0] for n in range(100)]

        assert totals == again
        assert totals == sorted(totals, reverse=True)
