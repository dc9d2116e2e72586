"""Problems and search spaces as other tools take them: each tool an extra, imported when used."""
