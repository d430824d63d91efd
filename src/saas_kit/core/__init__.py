"""What every app of the kit stands on; not an app itself and free of any web framework but Django."""
