import sys
from pathlib import Path

# The helpers of the agent tests.
sys.path.insert(0, str(Path(__file__).parent.parent))
