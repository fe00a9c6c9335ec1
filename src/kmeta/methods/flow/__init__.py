"""Records and decisions -> the PRISMA flow."""
