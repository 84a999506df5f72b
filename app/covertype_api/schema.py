"""The Covertype data: names of columns and categories, and the order in which a model sees them.

A row as a client sends it has twelve columns: ten numbers, ``Wilderness_Area`` and ``Soil_Type``. A model sees the
54 columns of the UCI file: the numbers, then one column for each wilderness area and each soil type.
"""

NUMBERS = (
    "Elevation",  # metres
    "Aspect",  # degrees from north
    "Slope",  # degrees
    "Horizontal_Distance_To_Hydrology",  # metres, as all distances
    "Vertical_Distance_To_Hydrology",
    "Horizontal_Distance_To_Roadways",
    "Hillshade_9am",  # 0 to 255, at the summer solstice
    "Hillshade_Noon",
    "Hillshade_3pm",
    "Horizontal_Distance_To_Fire_Points",
)

# UCI's Wilderness_Area1..4, in order.
WILDERNESS_AREAS = ("Rawah", "Neota", "Comanche Peak", "Cache la Poudre")

# UCI's Soil_Type1..40, in order: "C" and the code of the ecological landtype unit that covtype.info lists for it.
SOIL_TYPES = (
    *("C2702", "C2703", "C2704", "C2705", "C2706", "C2717", "C3501", "C3502", "C4201", "C4703"),
    *("C4704", "C4744", "C4758", "C5101", "C5151", "C6101", "C6102", "C6731", "C7101", "C7102"),
    *("C7103", "C7201", "C7202", "C7700", "C7701", "C7702", "C7709", "C7710", "C7745", "C7746"),
    *("C7755", "C7756", "C7757", "C7790", "C8703", "C8707", "C8708", "C8771", "C8772", "C8776"),
)

CATEGORIES = {"Wilderness_Area": WILDERNESS_AREAS, "Soil_Type": SOIL_TYPES}
RAW_COLUMNS = (*NUMBERS, *CATEGORIES)
TARGET = "Cover_Type"

# Cover_Type 1..7.
COVER_TYPES = (
    "Spruce/Fir",
    "Lodgepole Pine",
    "Ponderosa Pine",
    "Cottonwood/Willow",
    "Aspen",
    "Douglas-fir",
    "Krummholz",
)


def indicator_columns(category: str) -> tuple[str, ...]:
    """Names of the one-hot columns of a category, in order: ``Soil_Type1`` .. ``Soil_Type40``."""
    return tuple(f"{category}{number}" for number in range(1, len(CATEGORIES[category]) + 1))


FEATURE_COLUMNS = (*NUMBERS, *indicator_columns("Wilderness_Area"), *indicator_columns("Soil_Type"))

# A real row, to prove that a model predicts. UCI's first: lodgepole pine country in Rawah on soil type 29.
SAMPLE_ROW = {
    "Elevation": 2596,
    "Aspect": 51,
    "Slope": 3,
    "Horizontal_Distance_To_Hydrology": 258,
    "Vertical_Distance_To_Hydrology": 0,
    "Horizontal_Distance_To_Roadways": 510,
    "Hillshade_9am": 221,
    "Hillshade_Noon": 232,
    "Hillshade_3pm": 148,
    "Horizontal_Distance_To_Fire_Points": 6279,
    "Wilderness_Area": "Rawah",
    "Soil_Type": "C7745",
}
