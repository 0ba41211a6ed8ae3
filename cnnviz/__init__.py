"""A reproducible microscope for convolutional networks."""
