from . import estimate as estimate, profile as profile
