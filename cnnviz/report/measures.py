"""What each number of the pages means, in a line, and the section of the docs that defines it."""

# name: (what it means, page of docs/ and its section)
MEANINGS: dict[str, tuple[str, str]] = {
    "parameters": ("Numbers that the network has learned, in all layers.", "artifacts"),
    "conv_layers": ("Convolutional layers, depthwise ones included.", "artifacts"),
    "conv_filters": ("Filters of all convolutional layers together.", "artifacts"),
    "never_active": (
        "Filters that are 0 or below on every image of every set here: silent on these images, perhaps not on others.",
        "analysis#firing-rate-silent-filters",
    ),
    "near_duplicates": (
        "Filters with another one of their layer whose weights point the same way (cosine of 0.95 or more).",
        "analysis#redundancy",
    ),
    "rendered_filters": ("Filters for which a picture was made, by verdict.", "scores#verdicts"),
    "analyzed_filters": ("Filters that were watched on all images.", "analysis"),
    "never_active_share": (
        "Share of filters that no image of any set drives above 0.",
        "analysis#firing-rate-silent-filters",
    ),
    "rarely_active_share": (
        "Share of filters above 0 at less than one spot in a thousand of every set.",
        "analysis#firing-rate-silent-filters",
    ),
    "firing_rate": (
        "Share of spots, over all images of a set, where a filter is above 0.",
        "analysis#firing-rate-silent-filters",
    ),
    "maximum": (
        "The strongest response to any spot of any image, before the activation function.",
        "analysis#words-and-symbols",
    ),
    "lifetime_sparsity": (
        "0: it responds to all spots alike, near 1: to very few.",
        "analysis#lifetime-and-population-sparsity",
    ),
    "population_sparsity": (
        "0: all filters of a layer respond to an image alike, near 1: very few of them do.",
        "analysis#lifetime-and-population-sparsity",
    ),
    "class_selectivity": (
        "0: every class drives it as much, 1: only one does. Few images give high values by chance.",
        "analysis#class-selectivity",
    ),
    "class_selectivity_chance": ("The same with the labels of the images shuffled.", "analysis#class-selectivity"),
    "absolute_preference": (
        "How far a filter fires more on one image set than on another: 0 not at all, 1 on one of them only.",
        "analysis#preference-between-image-sets",
    ),
    "activation_redundant_share": (
        "Share of filters that react almost as another one of their layer does.",
        "analysis#redundancy",
    ),
    "kernel_redundant_share": (
        "Share of filters whose weights are almost those of another one.",
        "analysis#redundancy",
    ),
    "labelled_images": ("Images whose label is a class of the network.", "analysis#predictions"),
    "accuracy": ("Share of them that it names right.", "analysis#predictions"),
    "altered_images": ("Right ones that were altered on purpose.", "analysis#altered-until-it-is-wrong"),
    "altered_wrong": ("How many of them it then named wrong.", "analysis#altered-until-it-is-wrong"),
    "mean_best_cka": (
        "CKA of each layer with the layer of the other model most like it, the mean: 1 alike, 0 nothing in common.",
        "analysis#cka",
    ),
    "last_layers_cka": ("CKA of the last convolutional layers of both.", "analysis#cka"),
    "matched_filters": ("Pairs of filters that were matched one to one.", "analysis#matched-filters"),
    "match_correlation": (
        "Correlation of the activations of a matched pair on the same images: 1 the same, 0 unrelated.",
        "analysis#matched-filters",
    ),
    "kernel_distance": ("How far a kernel moved, as a share of what its norm was before.", "analysis#drift"),
    "activation_correlation": ("Correlation of a filter's activations with what they were before.", "analysis#drift"),
}


def meaning(name: str) -> str:
    """What a number of this name is, in a line; `median_…` of one: over filters. Empty for a name that says it all."""
    short = name.removeprefix("median_")
    said = MEANINGS.get(short, ("", ""))[0]
    return f"Median over the filters: {said[0].lower()}{said[1:]}" if said and short != name else said


def defined(name: str) -> str:
    """The page of docs/, with its section, that defines a number; empty for one that needs none."""
    return MEANINGS.get(name.removeprefix("median_"), ("", ""))[1]
