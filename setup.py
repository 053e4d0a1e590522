"""Packaging. The dependencies and the reason for each are in README.md."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="fink_like",
    version="0.1.0",
    description="A community alert broker for ZTF and Rubin on Spark Structured Streaming",
    long_description=(HERE / "README.md").read_text() if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["fink_like", "fink_like.*"]),
    package_data={"fink_like": ["jars.lock", "*.properties", "modules/template*/*.txt"]},
    install_requires=[
        "pyspark==4.1.1",
        "delta-spark==4.4.0",
        "pandas>=2.2,<3",
        "pyarrow>=18",
        "numpy>=1.26",
        "numba>=0.60",
        "fastavro>=1.9",
        "astropy>=6",
        "confluent-kafka>=2.6",
        "deltalake>=1.2",
        "matplotlib>=3.8",
        "pyyaml>=6",
        "rich>=13",
        "psutil>=6",
        "isal>=1.6",
        "cramjam>=2.8",
    ],
    extras_require={
        "test": ["pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6", "scipy>=1.11",
                 "nbclient>=0.10", "ipykernel>=6", "kubernetes-validate==1.37.0"],
        "oracles": ["light-curve>=0.13"],  # GPL: tests compare with it where it is, nothing needs it
    },
    entry_points={"console_scripts": ["fink-like = fink_like.cli:main"]},
)
