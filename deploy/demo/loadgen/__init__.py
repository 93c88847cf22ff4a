"""The people who use deltacrown: they save, read and delete, and know what they should get back."""
