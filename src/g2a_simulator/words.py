"""
The words that titles, studios and genres are made from.

The texts are inserted into JSON strings, so they contain no quote and no backslash.
"""

ADJECTIVES = (
    "Ashen", "Broken", "Crimson", "Distant", "Eternal", "Fading", "Frozen", "Gilded", "Hollow",
    "Infinite", "Iron", "Last", "Lost", "Lunar", "Midnight", "Neon", "Obsidian", "Pale", "Quiet",
    "Radiant", "Rising", "Sacred", "Savage", "Shattered", "Silent", "Solar", "Sunken", "Tidal",
    "Twilight", "Velvet", "Verdant", "Wandering", "Warped", "Wicked", "Winter", "Wooden", "Zero",
    "Étoile", "Über", "Burning", "Clockwork", "Copper", "Electric", "Feral", "Hidden", "Ivory",
    "Jade", "Lonely",
)  # fmt: skip

NOUNS = (
    "Abyss", "Anvil", "Archive", "Arena", "Armada", "Atlas", "Bastion", "Beacon", "Canyon",
    "Caravan", "Castle", "Cipher", "Circuit", "Citadel", "Colony", "Compass", "Crown", "Depths",
    "Dominion", "Dungeon", "Echo", "Embers", "Empire", "Expedition", "Factory", "Falcon", "Farm",
    "Forge", "Frontier", "Galaxy", "Garden", "Gate", "Harbor", "Harvest", "Heist", "Horizon",
    "Kingdom", "Labyrinth", "Legion", "Lighthouse", "Machine", "Maze", "Moon", "Oath", "Odyssey",
    "Orbit", "Outpost", "Paradox", "Pilgrim", "Pirate", "Planet", "Quarry", "Racer", "Realm",
    "Reef", "Relic", "Republic", "Requiem", "Rift", "Road", "Ruins", "Sentinel", "Shadow",
    "Siege", "Signal", "Sky", "Station", "Storm", "Summit", "Throne", "Tower", "Trader", "Tundra",
    "Valley", "Voyage", "Warden", "Workshop", "Café", "Façade",
)  # fmt: skip

SUBTITLES = (
    "", "", "", "", "", " II", " III", " 4", " 2025", " VR", " Tactics", " Online", " Remastered",
    ": Origins", ": Reborn", ": Aftermath", ": The Long Night", ": Path of Glass", " & Friends",
    ": L'Appel", " Simulator", " Tycoon", " — Prologue", ": Blood Moon", " Legends", " Manager",
)  # fmt: skip

EDITIONS = (
    "", "", "", "", "", "", "", " Deluxe Edition", " Gold Edition", " Complete Edition",
    " Season Pass", " (DLC)", " Ultimate Edition", " Soundtrack", " Collector's Edition", " Bundle",
)  # fmt: skip

# (platform in the API, platform in a product's name)
PLATFORMS = (
    ("Steam", "Steam"), ("Steam", "Steam"), ("Steam", "Steam"), ("Steam", "Steam"),
    ("Steam", "Steam"), ("Steam", "Steam"), ("Uplay", "Ubisoft Connect"), ("Origin", "EA App"),
    ("GOG", "GOG.COM"), ("XBOX LIVE", "Xbox Live"), ("Xbox", "Xbox Series X/S"), ("PSN", "PSN"),
    ("Blizzard", "Battle.net"), ("Other", "Epic Games"), ("Gameforge", "Gameforge"), ("", "PC"),
)  # fmt: skip

REGIONS = (
    "GLOBAL", "GLOBAL", "GLOBAL", "GLOBAL", "GLOBAL", "GLOBAL", "EUROPE", "EUROPE", "AMERICA",
    "NORTH AMERICA", "RU/CIS", "SOUTH EASTERN ASIA", "WESTERN ASIA", "GERMANY", "INDIA", "POLAND",
    "UNITED KINGDOM", "GLOBAL", "EUROPE", "",
)  # fmt: skip

STUDIOS = (
    "", "", "Amber Fox Games", "Bitter Lemon Studio", "Blue Kettle", "Cold Harbor Interactive",
    "Drei Füchse", "Eleventh Floor", "Fjord & Sons", "Granite Works", "Half Past Nine", "Ink Whale",
    "Juniper Digital", "Kiln", "Long Pier", "Marble Raccoon", "North Pole Software", "Otter Bay",
    "Paper Lantern", "Quartz Interactive", "Red Umbrella", "Small Hours", "Tin Roof", "Wolf & Wren",
)  # fmt: skip

# Two ids have two names each, as in the supplier's data.
CATEGORIES = (
    (189, "Games"), (190, "Action"), (191, "Adventure"), (192, "RPG"), (193, "Strategy"),
    (194, "Simulation"), (195, "Racing"), (196, "Sports"), (197, "Indie"), (198, "Puzzle"),
    (199, "Horror"), (200, "Platformer"), (201, "Shooter"), (201, "FPS"), (202, "MMO"),
    (203, "Casual"), (203, "Family"), (204, "Fighting"), (205, "Survival"), (206, "Card & Board"),
)  # fmt: skip
