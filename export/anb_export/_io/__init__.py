"""Files and folders, as all wings read and write them."""
