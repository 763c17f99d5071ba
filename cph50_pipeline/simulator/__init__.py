"""The services of a household on loopback: a seeded household behind ChargePoint's protocol, with faults on demand.

The household (`household`, with `cars`, `days`, `sessions`, `curve`, `points`, `bill`) is a pure function of
seed and time; `plug_ins` lays over it what a person does. The protocol (`answers`, `replay`, `tokens`,
`faults`, `chargepoint`) turns it into HTTP, and `server` runs it. Nothing here knows how the pipeline reads,
stores or classifies what it answers. `house` and `home_assistant` do the same for the house's Home Assistant,
`github` is a GitHub over real git repositories, and `serving` is what runs them all. Importing this package loads no
HTTP library.
"""
