// Placeholder so that the package builds before this room has its first type.
