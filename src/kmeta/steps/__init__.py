"""What happens next: read from the project, compute with methods, save."""
