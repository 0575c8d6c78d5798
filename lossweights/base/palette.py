"""Colours of terms in figures, told apart with every common colour vision."""

# Okabe and Ito, "Color Universal Design" (2008).
OKABE_ITO = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#000000",
)
