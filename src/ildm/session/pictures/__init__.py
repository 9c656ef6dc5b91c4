"""What a picture file says of how it was made."""
