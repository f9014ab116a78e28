"""Structure findings and content verification."""
