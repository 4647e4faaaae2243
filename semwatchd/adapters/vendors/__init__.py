"""What the makers write into and beside their images."""
