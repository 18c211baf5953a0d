// What `vaultcast-client/react` imports of React, in the types of Preact's compatibility layer. An element of any component is a ReactElement.
import type { ComponentChildren, VNode } from 'preact';

export { createContext, createElement, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'preact/compat';
export type ReactElement = VNode<any>;
export type ReactNode = ComponentChildren;
