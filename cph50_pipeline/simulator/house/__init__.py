"""The simulated household's house and what its Home Assistant knows of it, as a pure function of seed and time.

`load` is what the house truly draws and makes, `mishaps` what goes wrong by itself, `orders` what goes wrong on
demand; `sensors` turns them into the states that sensors report, `recorder` into what Home Assistant keeps, and
`statistics` into what is left when it has forgotten them. How all this travels is `simulator.home_assistant`.
"""
