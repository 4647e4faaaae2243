"""Watch a scanning electron microscope, measure every image, lose none."""
