"""Makes what tests begin with: customers, baskets, browsers, running shops and jobs."""
