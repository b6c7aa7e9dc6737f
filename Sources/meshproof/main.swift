print("meshproof")
