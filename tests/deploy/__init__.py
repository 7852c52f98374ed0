"""Tests of what is deployed: manifests, chart, image, demo and workflows, each judged by the program that will read it."""
